"""The network and its data: models, images, training, layers, importance, masks, cost."""
