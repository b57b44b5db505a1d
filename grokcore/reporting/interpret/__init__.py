"""What analyses found inside runs, as figures: where in the model, and when in training."""
