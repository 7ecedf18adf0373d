"""The steps. A new one gets the next number; a dataset's new column also goes into its ``TABLE`` in common/datasets."""
