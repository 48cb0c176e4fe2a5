SELECT holder FROM locks WHERE expires >= ?1;
