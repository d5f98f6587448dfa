"""The console over canned views: no engine, no mount, no real time."""
