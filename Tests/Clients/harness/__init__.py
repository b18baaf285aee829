"""What the client tests are made of: processes, gRPC clients, raw HTTP/2, random records."""
