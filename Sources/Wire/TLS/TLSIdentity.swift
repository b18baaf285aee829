import NIOCore
import NIOSSL
package import Platform
import Synchronization

/// The certificate that a server shows, its key, and whose clients it lets in; they can be replaced while it serves.
///
/// TLS 1.2 and 1.3, only the ciphers that HTTP/2 allows (RFC 9113 §9.2.2), HTTP/2 by ALPN. New connections get what
/// was loaded last; those that are there keep theirs, unless the authorities do not vouch for their clients any more.
///
/// Thread-safety: every call from any thread; `init` and the reloads block on disk I/O.
package final class TLSIdentity: Sendable {
  /// What a certificate is good for.
  package struct Facts: Sendable, Equatable {
    /// The last moment at which it is valid.
    package let notAfter: Timestamp

    /// The last day, such as `2027-01-31`.
    package var lastDay: String { String(notAfter.text.prefix { $0 != "T" }) }

    /// Whole days from now; below 0 when it has expired.
    package func daysLeft(now: Timestamp = .coarse()) -> Int {
      let seconds = notAfter.seconds - now.seconds
      return Int(seconds < 0 ? (seconds - 86_399) / 86_400 : seconds / 86_400)
    }
  }

  /// What a look at the files has come to.
  package enum Reload: Sendable, Equatable {
    case unchanged
    /// They are being written: a later look takes them.
    case unsettled
    case taken(Facts)
    /// What was loaded before stays.
    case refused(TLSError)
  }

  private struct Loaded: Sendable {
    let content: TLSFiles.Content
    let context: NIOSSLContext
    let authorities: ClientAuthorities?
    let facts: Facts
  }

  private let files: TLSFiles
  private let loaded: Mutex<Loaded>

  /// Loads the files. A certificate that has expired is taken: there is no other one.
  package init(_ files: TLSFiles) throws(TLSError) {
    self.files = files
    loaded = Mutex(try Self.load(files, try files.read()))
  }

  /// What new connections are made with, and whose clients they let in.
  var current: (context: NIOSSLContext, authorities: ClientAuthorities?) {
    loaded.withLock { ($0.context, $0.authorities) }
  }

  /// Whose clients are let in now; nil when no client shows a certificate.
  var authorities: ClientAuthorities? { loaded.withLock { $0.authorities } }

  /// Of the certificate that new connections get.
  package var facts: Facts { loaded.withLock { $0.facts } }

  /// Loads the files again if they hold something else. What does not fit together is refused, and so is a
  /// certificate that has expired.
  ///
  /// - Parameter settle: is called, and may wait, before changed files are read once more. When they have changed
  ///   again meanwhile somebody is writing them, and nothing is taken.
  package func reload(settle: () -> Void = {}) -> Reload {
    do throws(TLSError) {
      let content = try files.read()
      guard content != loaded.withLock({ $0.content }) else { return .unchanged }
      settle()
      guard try files.read() == content else { return .unsettled }
      let new = try Self.load(files, content)
      if new.facts.daysLeft() < 0 {
        throw .expired(path: files.certificate, date: new.facts.lastDay)
      }
      loaded.withLock { $0 = new }
      return .taken(new.facts)
    } catch {
      return .refused(error)
    }
  }

  // MARK: - Loading

  private static func load(
    _ files: TLSFiles, _ content: TLSFiles.Content
  ) throws(TLSError) -> Loaded {
    let chain = try certificates(content.certificate, .certificate, files.certificate)
    guard let key = try? NIOSSLPrivateKey(bytes: content.key, format: .pem) else {
      if String(decoding: content.key, as: UTF8.self).contains("ENCRYPTED") {
        throw .encryptedKey(path: files.key)
      }
      throw .notPEM(.key, path: files.key)
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.cipherSuites = "ECDHE+AESGCM:ECDHE+CHACHA20"
    configuration.applicationProtocols = ["h2"]
    // A client that answers no close_notify is waited for no longer.
    configuration.shutdownTimeout = .seconds(1)
    var authorities: ClientAuthorities?
    if let path = files.clientAuthorities, let bytes = content.clientAuthorities {
      let trusted = try certificates(bytes, .clientAuthorities, path)
      authorities = ClientAuthorities(trusted.compactMap { try? $0.toDERBytes() })
      configuration.trustRoots = .certificates(trusted)
      configuration.certificateVerification = .noHostnameVerification
      configuration.sendCANameList = true
    }
    // What is left to go wrong: OpenSSL compares the key with that of the first certificate.
    guard let context = try? NIOSSLContext(configuration: configuration) else {
      throw .keyDoesNotFit(key: files.key, certificate: files.certificate)
    }
    return Loaded(
      content: content, context: context, authorities: authorities,
      facts: Facts(notAfter: Timestamp(seconds: Int64(chain[0].notValidAfter))))
  }

  /// At least one.
  private static func certificates(
    _ bytes: [UInt8], _ part: TLSError.Part, _ path: String
  ) throws(TLSError) -> [NIOSSLCertificate] {
    guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty
    else { throw .notPEM(part, path: path) }
    return certificates
  }
}
