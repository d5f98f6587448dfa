"""What DynamicFS promises, as tests; ``tests/README.md`` says what each folder proves."""
