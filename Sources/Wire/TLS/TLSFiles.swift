import Glibc
import Platform

// SAFETY: a `stat` is lent to the system call, and a path ends with NUL; the text of an error number is copied before
// the next one.

/// Where the certificate of a server is, its key, and the authorities whose clients it lets in. All in PEM.
package struct TLSFiles: Sendable, Hashable {
  /// The server's certificate, then those between it and its authority.
  package var certificate: String
  /// The key of the certificate, without a passphrase.
  package var key: String
  /// Certificates of the authorities that vouch for clients. Nil asks clients for none.
  package var clientAuthorities: String?

  package init(certificate: String, key: String, clientAuthorities: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientAuthorities = clientAuthorities
  }

  /// What the files hold.
  struct Content: Equatable {
    var certificate: [UInt8]
    var key: [UInt8]
    var clientAuthorities: [UInt8]?
  }

  /// More than any chain of certificates has.
  private static let limitBytes = 4 << 20

  /// Reads the files. Blocks on disk I/O.
  func read() throws(TLSError) -> Content {
    var content = Content(
      certificate: try Self.read(.certificate, certificate), key: try Self.read(.key, key))
    if let clientAuthorities {
      content.clientAuthorities = try Self.read(.clientAuthorities, clientAuthorities)
    }
    return content
  }

  private static func read(_ part: TLSError.Part, _ path: String) throws(TLSError) -> [UInt8] {
    let bytes = try SmallFile.read(path, limitBytes: limitBytes) { (failure) -> TLSError in
      switch failure {
      case .system(_, _, let code):
        let detail = unsafe String(cString: strerror(code))
        return .unreadable(part, path: path, detail: detail)
      case .notAFile: return .unreadable(part, path: path, detail: "it is no file")
      }
    }
    guard let bytes else { throw .missing(part, path: path) }
    return bytes
  }

  /// Whether users other than the key's owner and group may read it. Blocks on disk I/O.
  package var isKeyOpenToOthers: Bool {
    var status = stat()
    return unsafe stat(key, &status) == 0 && status.st_mode & 0o007 != 0
  }
}

/// Why a certificate is not used. Each description is what the user reads, with what to do.
package enum TLSError: Error, Equatable {
  /// What a file is for.
  package enum Part: Sendable {
    case certificate
    case key
    case clientAuthorities

    /// What names the file on the command line.
    package var flag: String {
      switch self {
      case .certificate: "--tls-cert"
      case .key: "--tls-key"
      case .clientAuthorities: "--tls-client-ca"
      }
    }

    fileprivate var pem: String {
      switch self {
      case .certificate: "a certificate (-----BEGIN CERTIFICATE-----)"
      case .key: "a private key (-----BEGIN PRIVATE KEY-----)"
      case .clientAuthorities: "certificates of authorities (-----BEGIN CERTIFICATE-----)"
      }
    }
  }

  case missing(Part, path: String)
  case unreadable(Part, path: String, detail: String)
  /// It holds no PEM of its kind, or is damaged or cut short.
  case notPEM(Part, path: String)
  case encryptedKey(path: String)
  case keyDoesNotFit(key: String, certificate: String)
  /// - Parameter date: the last day.
  case expired(path: String, date: String)
}

extension TLSError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missing(let part, let path):
      "\(part.flag) \(path): there is no such file. Give it the path of \(part.pem) in PEM"
    case .unreadable(let part, let path, let detail):
      "\(part.flag) \(path) cannot be read: \(detail). Let the server's user read it"
    case .notPEM(let part, let path):
      "\(part.flag) \(path) is not \(part.pem) in PEM, or is cut short. Write it again, or convert it with "
        + "openssl"
    case .encryptedKey(let path):
      "--tls-key \(path) has a passphrase, which a server cannot ask for. Take it off: openssl pkey -in "
        + "\(path) -out server.key"
    case .keyDoesNotFit(let key, let certificate):
      "--tls-key \(key) is not the key of --tls-cert \(certificate). Give the two that were made together, "
        + "with the server's own certificate first in its file"
    case .expired(let path, let date):
      "--tls-cert \(path) has expired on \(date). Renew it"
    }
  }
}
