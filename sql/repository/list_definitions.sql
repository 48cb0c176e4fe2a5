SELECT offload, statement, spec, applied FROM definitions ORDER BY offload;
