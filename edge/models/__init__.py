"""Models on a device: installed after proof, activated atomically, watched, and always able to come back."""
