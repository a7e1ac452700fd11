"""What is kept between two answers, in private files. Nothing here logs, or starts anything."""
