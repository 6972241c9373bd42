"""Training views: photographed objects over other surfaces, in another light."""
