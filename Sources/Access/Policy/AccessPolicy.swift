package import Platform

/// Who may do what: an access file, checked and compiled for the models of a schema. Immutable.
///
/// Whoever it knows has a number, which is kept when the file is read anew: a number that a call took under one policy
/// means the same under each later one. A call is a test of one bit:
///
///     rights:       number 0   number 1   number 2   ...     wordsPerNumber words each
///     word:         | bit 0: read model 0 | bit 1: write model 0 | ... | bit 4: read model 1 | ...
///
/// Thread-safety: every call from any thread.
package final class AccessPolicy: Sendable {
  /// The largest access file.
  package static let maximumFileBytes = 1 << 20

  /// Numbers that are nobody's: no right goes with them.
  package enum Nobody {
    /// There is no credential.
    package static var anonymous: UInt32 { 0 }
    /// There is one that is nobody's, or malformed.
    package static var unknown: UInt32 { 1 }
    /// There is a token, and it came where anybody can read it.
    package static var exposed: UInt32 { 2 }
    static var count: Int { 3 }
  }

  /// Those that rules name, in the order of the bits.
  package let models: [AccessModel]
  private let wordsPerNumber: Int
  private let rights: [UInt64]
  /// In seconds, by number; `.max` for what has no end.
  private let expirations: [Int64]
  /// By number; nil for nobody's, and for those that the file has no more.
  private let principals: [Principal?]
  /// Of all that this and earlier policies know.
  private let numbers: [Identity: UInt32]

  /// The bytes of an access file. Blocks on disk I/O.
  package static func contents(of path: String) throws(AccessError) -> [UInt8] {
    let bytes = try SmallFile.read(path, limitBytes: maximumFileBytes + 1) { failure in
      switch failure {
      case .system(_, let path, let code):
        AccessError.unreadable(path: path, detail: FileTrouble.sentences(for: code, at: path))
      case .notAFile(let path):
        AccessError.unreadable(path: path, detail: "it is no file. Name a file")
      }
    }
    guard let bytes else { throw .missing(path: path) }
    return bytes
  }

  /// Checks and compiles what a file says, the whole of it or nothing.
  ///
  /// - Parameters:
  ///   - path: for the sentences of errors.
  ///   - previous: the policy that this one takes the place of.
  package init(
    _ contents: [UInt8], path: String, models: [AccessModel], previous: AccessPolicy? = nil
  ) throws(AccessError) {
    guard contents.count <= Self.maximumFileBytes else { throw .tooLarge(path: path) }
    let known = try AccessFileReader.principals(contents, path: path, models: models)
    var numbers = previous?.numbers ?? [:]
    var principals = [Principal?](repeating: nil, count: Nobody.count + numbers.count)
    for (identity, principal) in known {
      if let number = numbers[identity] {
        principals[Int(number)] = principal
      } else {
        numbers[identity] = UInt32(principals.count)
        principals.append(principal)
      }
    }
    let words = Self.words(models: models.count)
    var rights = [UInt64](repeating: 0, count: words * principals.count)
    for (number, principal) in principals.enumerated() {
      guard let principal else { continue }
      rights.replaceSubrange(number * words..<(number + 1) * words, with: principal.rights)
    }
    self.models = models
    wordsPerNumber = words
    self.rights = rights
    expirations = principals.map { $0?.expires?.seconds ?? .max }
    self.principals = principals
    self.numbers = numbers
  }

  /// Words for the rights on so many models.
  static func words(models: Int) -> Int { (models * AccessAction.allCases.count + 63) / 64 }

  // MARK: - Calls

  /// Whether somebody has a right, now. O(1).
  ///
  /// - Parameters:
  ///   - number: of this policy or an earlier one.
  ///   - bit: see ``AccessAction/bit(ofModel:)``; of one of ``models``.
  @inline(__always)
  package func permits(_ number: UInt32, bit: Int) -> Bool {
    let word = Int(number) * wordsPerNumber + bit >> 6
    guard word < rights.count, rights[word] >> UInt64(bit & 63) & 1 != 0 else { return false }
    let end = expirations[Int(number)]
    return end == .max || Timestamp.coarse().seconds < end
  }

  /// For each of ``models`` whether somebody has any right on it, now. O(models).
  ///
  /// - Parameter number: of this policy or an earlier one.
  package func permittedModels(_ number: UInt32) -> [Bool] {
    models.indices.map { model in
      AccessAction.allCases.contains { permits(number, bit: $0.bit(ofModel: model)) }
    }
  }

  /// Who has a number; nil when nobody has, or not any more.
  package func principal(_ number: UInt32) -> Principal? {
    guard Int(number) < principals.count, let principal = principals[Int(number)] else {
      return nil
    }
    return principal
  }

  // MARK: - Credentials

  /// The number of whoever has a token, also of one that has expired; `unknown` when nobody has it. Takes as long
  /// whichever token it is.
  @safe
  package func number(ofToken token: UnsafeRawBufferPointer) -> UInt32 {
    numbers[.token(TokenHash(of: token))] ?? Nobody.unknown
  }

  /// The number of whoever has a verified certificate with these names; `unknown` when nobody has one.
  ///
  /// - Parameter names: with their kinds, the most telling first; the first one counts that the file has.
  package func number(ofCertificate names: [String]) -> UInt32 {
    for name in names {
      if let number = numbers[.certificate(CertificateName.normal(name))],
        principals[Int(number)] != nil
      {
        return number
      }
    }
    return Nobody.unknown
  }

  // MARK: - Facts

  /// When the next one expires after a moment.
  package func nextExpiration(after moment: Timestamp) -> Timestamp? {
    principals.compactMap { $0?.expires }.filter { $0 > moment }.min()
  }

  /// How many it knows.
  package var principalCount: Int { principals.count { $0 != nil } }
}
