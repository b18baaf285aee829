import Glibc
import NIOCore
import NIOSSL
import Synchronization

// SAFETY: the system writes the time into a variable of our own, within the call.

/// The certificate that a server shows, its key, and whose clients it lets in; they can be replaced while it serves.
///
/// TLS 1.2 and 1.3, only the ciphers that HTTP/2 allows (RFC 9113 §9.2.2), HTTP/2 by ALPN. New connections get what
/// was loaded last; those that are there keep theirs.
///
/// Thread-safety: every call from any thread; `init` and the reloads block on disk I/O.
package final class TLSIdentity: Sendable {
  /// What a certificate is good for.
  package struct Facts: Sendable, Equatable {
    /// In seconds since 1970.
    package let notAfter: Int

    /// The last day, such as `2027-01-31`.
    package var lastDay: String { Self.day(notAfter) }

    /// Whole days from now; below 0 when it has expired.
    package func daysLeft(now: Int = TLSIdentity.now()) -> Int {
      Int((Double(notAfter - now) / 86_400).rounded(.down))
    }

    /// The proleptic Gregorian date of a second since 1970, in UTC.
    static func day(_ seconds: Int) -> String {
      // Days since 1 March of the year 0, which puts the leap day at the end of a year.
      let days = Int((Double(seconds) / 86_400).rounded(.down)) + 719_468
      let era = (days >= 0 ? days : days - 146_096) / 146_097
      let dayOfEra = days - era * 146_097
      let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
      let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
      let shifted = (5 * dayOfYear + 2) / 153
      let day = dayOfYear - (153 * shifted + 2) / 5 + 1
      let month = shifted < 10 ? shifted + 3 : shifted - 9
      let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
      func padded(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
      return "\(year)-\(padded(month))-\(padded(day))"
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
    let facts: Facts
  }

  private let files: TLSFiles
  private let loaded: Mutex<Loaded>

  /// Loads the files. A certificate that has expired is taken: there is no other one.
  package init(_ files: TLSFiles) throws(TLSError) {
    self.files = files
    loaded = Mutex(try Self.load(files, try files.read()))
  }

  /// What new connections are made with.
  var context: NIOSSLContext { loaded.withLock { $0.context } }

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

  /// Seconds since 1970.
  package static func now() -> Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return time.tv_sec
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
    if let path = files.clientAuthorities, let bytes = content.clientAuthorities {
      configuration.trustRoots = .certificates(try certificates(bytes, .clientAuthorities, path))
      configuration.certificateVerification = .noHostnameVerification
      configuration.sendCANameList = true
    }
    // What is left to go wrong: OpenSSL compares the key with that of the first certificate.
    guard let context = try? NIOSSLContext(configuration: configuration) else {
      throw .keyDoesNotFit(key: files.key, certificate: files.certificate)
    }
    return Loaded(
      content: content, context: context, facts: Facts(notAfter: Int(chain[0].notValidAfter)))
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
