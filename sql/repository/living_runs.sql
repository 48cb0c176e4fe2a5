SELECT holder, process FROM locks WHERE expires >= unixepoch();
