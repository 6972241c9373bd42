"""What people say is on pictures: the files of labels, and which pictures are shown together and in which order."""
