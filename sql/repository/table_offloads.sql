SELECT offload, source, target, statement, spec, applied FROM definitions ORDER BY offload;
