"""What users hand over: parameters, targets and weights, and what they mean."""
