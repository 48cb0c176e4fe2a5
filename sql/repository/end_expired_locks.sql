-- Takes leases away whose time is over: their holders may sleep, and must not wake up as holders.
UPDATE locks SET expires = 0 WHERE expires < unixepoch();
