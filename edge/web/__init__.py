"""What a browser shows: the page of a running station, the one on which pictures are labelled, the one to draw a region."""
