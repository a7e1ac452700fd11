"""What is kept between answers, in private files. Nothing here logs, or starts anything."""
