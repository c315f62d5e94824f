"""The verbs, one file each: resolve names, pass functions, return a Report."""
