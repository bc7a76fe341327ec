-- What the record system says of a booking, by the event that announced it and by nothing else.
ALTER TABLE extractions
  -- booked, held, cancelled or completed: the last that was told.
  ADD COLUMN outcome text CHECK (outcome IN ('booked', 'held', 'cancelled', 'completed')),
  -- Why it is held or was cancelled.
  ADD COLUMN outcome_reason text,
  -- When that happened there; what comes later and happened earlier changes nothing.
  ADD COLUMN outcome_at timestamptz,
  -- The journey that the appointment belongs to: that of another call where this one confirmed what was booked.
  ADD COLUMN appointment_journey text,
  -- What is in the book: dentist, date and time.
  ADD COLUMN appointment jsonb;
CREATE INDEX extractions_appointment ON extractions (appointment_journey, appointment_id);
