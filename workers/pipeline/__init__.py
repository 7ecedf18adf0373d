"""One run, free of any framework: plan, batches, the job on one symbol, report."""
