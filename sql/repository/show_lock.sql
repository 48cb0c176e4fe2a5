SELECT holder, fence, expires - unixepoch(), process FROM locks WHERE target = ?1;
