/// A certificate that signs itself, for servers on this machine while the benchmark runs.
struct Certificate: Sendable {
  let certificatePath: String
  let keyPath: String

  /// Makes one with an elliptic key (P-256), which is what public sites use most.
  init(in directory: String) throws {
    certificatePath = directory + "/certificate.pem"
    keyPath = directory + "/key.pem"
    let openssl = try ChildProcess.start(
      [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-keyout", keyPath, "-out", certificatePath, "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
      ],
      outputTo: directory + "/openssl.out")
    try openssl.waitForSuccess(timeoutSeconds: 30)
  }
}
