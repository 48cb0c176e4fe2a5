SELECT target, sequence, manifest, published, body FROM records ORDER BY target;
