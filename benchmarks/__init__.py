"""What the pipeline costs and how fast it is, beside what else there is: ``python -m benchmarks --help``."""
