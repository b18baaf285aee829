"""One file a kind of chart; each function takes points of a run and returns one SVG."""
