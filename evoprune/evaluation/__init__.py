"""What a candidate is worth: objectives, the evaluator, and guidance on the current mask."""
