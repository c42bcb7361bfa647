"""What users import in the tests of their own agents. It stands above the service and both simulators."""
