"""One running station: built, kept, made safe."""
