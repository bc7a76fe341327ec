-- In another order than a writer. The wait lets him have the second.
LOCK TABLE public.one;
SELECT pg_sleep(0.5);
LOCK TABLE public.two;
