"""The gate of a pipeline: the change read from Git, and reports that are asked again later."""
