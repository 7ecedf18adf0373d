"""Where metrics come from, a module for each: what it asks, what it makes of the answer, and how long it may take."""
