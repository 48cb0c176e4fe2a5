SELECT holder, expires FROM locks WHERE target = ?1;
