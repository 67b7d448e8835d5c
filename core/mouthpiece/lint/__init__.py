"""What is wrong with a performance: measured on takes, films and baked characters, told with line, time and remedy."""
