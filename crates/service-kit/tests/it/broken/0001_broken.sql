SELECT this_does_not_exist();
