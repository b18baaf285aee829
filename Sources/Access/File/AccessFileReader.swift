import Platform

/// Checks what an access file says.
///
/// All that is wrong is found in one go, unless it is no TOML.
struct AccessFileReader {
  private struct Role {
    let isAdmin: Bool
    let rights: [UInt64]
  }

  private let models: [AccessModel]
  private var problems: [AccessProblem] = []
  private var roles: [String: Role] = [:]
  private var known: [(Identity, Principal)] = []
  private var ids: [String: Int] = [:]
  private var lines: [Identity: Int] = [:]

  private init(models: [AccessModel]) { self.models = models }

  /// Whom the file knows, in its order.
  static func principals(
    _ bytes: [UInt8], path: String, models: [AccessModel]
  ) throws(AccessError) -> [(Identity, Principal)] {
    var reader = AccessFileReader(models: models)
    // First of all, before any of it could be in another error.
    reader.refusePlainTokens(bytes)
    guard reader.problems.isEmpty else { throw .wrong(path: path, reader.problems) }
    do throws(AccessProblem) {
      reader.take(try TOMLReader.tables(bytes))
    } catch {
      throw .wrong(path: path, [error])
    }
    guard reader.problems.isEmpty else {
      throw .wrong(
        path: path,
        reader.problems.sorted {
          ($0.place.line, $0.place.column) < ($1.place.line, $1.place.column)
        })
    }
    return reader.known
  }

  private mutating func refuse(_ place: SourcePlace, _ sentence: String) {
    problems.append(AccessProblem(place, sentence))
  }

  private mutating func refusePlainTokens(_ bytes: [UInt8]) {
    for position in AccessToken.positions(in: bytes) {
      let before = bytes[..<position]
      let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      let column = before[lineStart...].count(where: { $0 & 0xC0 != 0x80 }) + 1
      refuse(
        SourcePlace(line: 1 + before.count(where: { $0 == UInt8(ascii: "\n") }), column: column),
        "here is a token itself; whoever reads the file has it. Remove it, make another one with `seandb token "
          + "create`, and put only the hash of that here")
    }
  }

  private mutating func take(_ tables: [TOMLTable]) {
    for table in tables where table.name == "role" { takeRole(table) }
    for table in tables {
      switch table.name {
      case "role": break
      case "token": takeToken(table)
      case "certificate": takeCertificate(table)
      default:
        refuse(
          table.place,
          "there are no tables \(quoted(table.name)); write [[role]], [[token]] or [[certificate]]")
      }
    }
    if problems.isEmpty && known.isEmpty {
      refuse(
        SourcePlace(line: 1, column: 1),
        "the file knows nobody, so that nobody could call; add a [[token]] (`seandb token create`) or a [[certificate]]"
      )
    }
  }

  // MARK: - Parts of a table

  private mutating func checkKeys(_ table: TOMLTable, _ allowed: [String]) {
    for entry in table.entries where !allowed.contains(entry.key) {
      refuse(
        entry.keyPlace,
        "[[\(table.name)]] has no key \(quoted(entry.key)); its keys are \(allowed.joined(separator: ", "))"
      )
    }
  }

  private mutating func string(_ table: TOMLTable, _ key: String) -> (String, SourcePlace)? {
    guard let entry = table.entry(key) else {
      refuse(table.place, "this [[\(table.name)]] has no \(key); add \(key) = \"…\"")
      return nil
    }
    guard case .string(let text) = entry.value else {
      refuse(entry.valuePlace, "\(key) takes text in quotes")
      return nil
    }
    return (text, entry.valuePlace)
  }

  private mutating func strings(_ table: TOMLTable, _ key: String) -> [TOMLString]? {
    guard let entry = table.entry(key) else {
      refuse(table.place, "this [[\(table.name)]] has no \(key); add \(key) = [\"…\"]")
      return nil
    }
    guard case .strings(let texts) = entry.value else {
      refuse(entry.valuePlace, "\(key) takes a list of text, such as [\"…\"]")
      return nil
    }
    guard !texts.isEmpty else {
      refuse(
        entry.valuePlace, "\(key) is empty; say at least one, or remove this [[\(table.name)]]")
      return nil
    }
    return texts
  }

  private mutating func name(_ table: TOMLTable, _ key: String) -> (String, SourcePlace)? {
    guard let (text, place) = string(table, key) else { return nil }
    guard AccessName.isValid(text) else {
      refuse(place, "\(key) takes \(AccessName.rule)")
      return nil
    }
    return (text, place)
  }

  // MARK: - Roles

  private mutating func takeRole(_ table: TOMLTable) {
    checkKeys(table, ["name", "allow"])
    let name = name(table, "name")
    guard let rules = strings(table, "allow"), let (name, place) = name else { return }
    guard roles[name] == nil else {
      return refuse(place, "there are two roles \(quoted(name)); put the rules of both into one")
    }
    let words = AccessPolicy.words(models: models.count)
    if let admin = rules.first(where: { $0.text == "admin" }) {
      if rules.count > 1 {
        refuse(
          admin.place,
          "admin is alone in its list, as it allows everything; remove the other rules, or admin")
      }
      roles[name] = Role(isAdmin: true, rights: [UInt64](repeating: .max, count: words))
      return
    }
    var rights = [UInt64](repeating: 0, count: words)
    for rule in rules {
      guard let (models, actions) = parse(rule) else { continue }
      for model in models {
        for action in actions {
          let bit = action.bit(ofModel: model)
          rights[bit >> 6] |= 1 << UInt64(bit & 63)
        }
      }
    }
    roles[name] = Role(isAdmin: false, rights: rights)
  }

  /// `Dog: read, write`.
  private mutating func parse(
    _ rule: TOMLString
  ) -> (models: [Int], actions: [AccessAction])? {
    let parts = rule.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(Self.trimmed)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      refuse(
        rule.place,
        "\(quoted(rule.text)) is no rule; write a model, or * for all, and what is allowed: \"Dog: read, write\""
      )
      return nil
    }
    var actions: [AccessAction] = []
    for word in parts[1].split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed) {
      guard let action = AccessAction.allCases.first(where: { $0.name == word }) else {
        refuse(
          rule.place,
          "\(quoted(word)) is no action; the actions are \(AccessAction.allCases.map(\.name).joined(separator: ", ")), "
            + "and admin alone in its list")
        return nil
      }
      guard !actions.contains(action) else {
        refuse(rule.place, "\(word) is there twice in this rule; keep one of them")
        return nil
      }
      actions.append(action)
    }
    if parts[0] == "*" { return (Array(models.indices), actions) }
    guard let model = models.firstIndex(where: { $0.name == parts[0] || $0.fullName == parts[0] })
    else {
      let shown = models.prefix(10).map(\.name).joined(separator: ", ")
      refuse(
        rule.place,
        "the schema has no model \(quoted(parts[0])); it has \(shown)\(models.count > 10 ? ", …" : "")"
      )
      return nil
    }
    return ([model], actions)
  }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text.drop { $0 == " " || $0 == "\t" }
    while rest.last == " " || rest.last == "\t" { rest.removeLast() }
    return String(rest)
  }

  // MARK: - Identities

  private mutating func takeToken(_ table: TOMLTable) {
    checkKeys(table, ["id", "sha256", "roles", "expires"])
    let id = name(table, "id")
    let hash = string(table, "sha256")
    let roles = roles(table)
    var expires: Timestamp?
    if let entry = table.entry("expires") {
      guard case .time(let time) = entry.value else {
        return refuse(entry.valuePlace, "expires takes a time without quotes: 2027-01-01T00:00:00Z")
      }
      expires = time
    }
    if let (text, place) = id {
      if let line = ids[text] {
        refuse(place, "the id \(quoted(text)) is taken in line \(line); choose another one")
      } else {
        ids[text] = place.line
      }
    }
    guard let (digits, place) = hash else { return }
    guard let hash = TokenHash(hexadecimal: digits) else {
      // What is there may be a token.
      return refuse(
        place,
        "sha256 takes the SHA-256 of the token in \(TokenHash.digitCount) hexadecimal digits, and this has "
          + "\(digits.count) characters\(digits.count == TokenHash.digitCount ? ", not all of them digits" : "");"
          + " `seandb token create` prints it")
    }
    add(.token(hash), place, "this hash", id?.0, roles, expires)
  }

  private mutating func takeCertificate(_ table: TOMLTable) {
    checkKeys(table, ["san", "roles"])
    let roles = roles(table)
    guard let (text, place) = string(table, "san") else { return }
    guard CertificateName.isValid(text) else {
      return refuse(
        place,
        "\(quoted(text)) names no certificate; write \"DNS:billing.internal\", \"URI:spiffe://…\", or \"CN:billing\""
      )
    }
    let name = CertificateName.normal(text)
    add(.certificate(name), place, "this certificate", name, roles, nil)
  }

  private mutating func add(
    _ identity: Identity, _ place: SourcePlace, _ what: String, _ id: String?, _ role: Role?,
    _ expires: Timestamp?
  ) {
    if let line = lines[identity] {
      return refuse(place, "\(what) is there already, in line \(line); keep one of them")
    }
    lines[identity] = place.line
    guard let id, let role else { return }
    known.append(
      (
        identity,
        Principal(id: id, isAdmin: role.isAdmin, expires: expires, rights: role.rights)
      ))
  }

  /// All roles of somebody as one; nil when one of them is not there.
  private mutating func roles(_ table: TOMLTable) -> Role? {
    guard let names = strings(table, "roles") else { return nil }
    var rights = [UInt64](repeating: 0, count: AccessPolicy.words(models: models.count))
    var (isAdmin, areThere) = (false, true)
    for name in names {
      guard let role = roles[name.text] else {
        areThere = false
        refuse(
          name.place,
          "there is no role \(quoted(name.text)); add a [[role]] with this name, or name another one"
        )
        continue
      }
      isAdmin = isAdmin || role.isAdmin
      for word in rights.indices { rights[word] |= role.rights[word] }
    }
    return areThere ? Role(isAdmin: isAdmin, rights: rights) : nil
  }
}
