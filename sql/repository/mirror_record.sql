INSERT INTO records (target, sequence, manifest, body, published) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (target) DO UPDATE
SET sequence = excluded.sequence, manifest = excluded.manifest, body = excluded.body,
    published = excluded.published;
