"""What the tests of several rooms share: servers, clients, models, values. No tests."""
