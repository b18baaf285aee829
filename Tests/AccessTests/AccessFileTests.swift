import Access
import Platform
import TestSupport
import Testing

@Suite("Access file") struct AccessFileTests {
  private static let models = [
    AccessModel(name: "Dog", fullName: "database.Dog"),
    AccessModel(name: "Tag", fullName: "database.Tag"),
  ]

  private static let hash = String(repeating: "0a", count: 32)
  private static let other = String(repeating: "0b", count: 32)
  private static let role = "[[role]]\nname = \"vet\"\nallow = [\"Dog: read\"]\n"

  private static func token(
    _ id: String = "a", hash: String = hash, roles: String = "\"vet\"", more: String = ""
  ) -> String {
    "[[token]]\nid = \"\(id)\"\nsha256 = \"\(hash)\"\nroles = [\(roles)]\n\(more)"
  }

  private static func policy(_ text: String) throws(AccessError) -> AccessPolicy {
    try AccessPolicy(Array(text.utf8), path: "access.toml", models: models)
  }

  private static func error(_ text: String) -> String {
    do throws(AccessError) {
      _ = try policy(text)
      return ""
    } catch {
      return "\(error)"
    }
  }

  // MARK: - What is taken

  @Test func takesWhatTheDocumentsShow() throws {
    let policy = try Self.policy(
      """
      # Who may do what.
      [[role]]
      name = "clinic"
      allow = [
        "Dog: read, write",   # one model
        'database.Tag:read',
        "*: watch",
      ]

      [[ role ]]
      "name" = 'root'
      allow = ["admin"]
      [[token]] # below the roles or above, that is one
      id = "billing"
      sha256 = "\(Self.hash.uppercased())"
      roles = ["clinic"]
      expires = 2027-01-01T00:00:00Z
      [[certificate]]
      san = "DNS:Billing.Internal"
      roles = ["clinic", "root"]\r

      """)
    #expect(policy.principalCount == 2)
    let billing = try #require(policy.principal(3))
    #expect(billing.id == "billing")
    #expect(!billing.isAdmin)
    #expect(billing.expires == Timestamp("2027-01-01T00:00:00Z"))
    let number = policy.number(ofCertificate: ["URI:x", "DNS:billing.INTERNAL", "CN:x"])
    #expect(policy.principal(number)?.id == "DNS:billing.internal")
    #expect(policy.principal(number)?.isAdmin == true)
    #expect(policy.nextExpiration(after: Timestamp(seconds: 0)) == billing.expires)
    #expect(policy.nextExpiration(after: try #require(billing.expires)) == nil)
  }

  @Test(arguments: [
    ("Dog: read", "Dr"), ("Dog: read, write, delete, watch", "DrDwDdDa"), ("*: delete", "DdTd"),
    ("database.Tag: write", "Tw"), (" Tag :\\twatch ", "Ta"), ("admin", "DrDwDdDaTrTwTdTa"),
  ])
  func allowsWhatARuleSays(_ rule: String, _ allowed: String) throws {
    let policy = try Self.policy(
      "[[role]]\nname = \"vet\"\nallow = [\"\(rule)\"]\n" + Self.token())
    let letters: [(AccessAction, String)] = [
      (.read, "r"), (.write, "w"), (.delete, "d"), (.watch, "a"),
    ]
    var found = ""
    for (model, name) in ["D", "T"].enumerated() {
      for (action, letter) in letters where policy.permits(3, bit: action.bit(ofModel: model)) {
        found += name + letter
      }
    }
    #expect(found == allowed)
    for nobody in [0, 1, 2, 4, 1000] as [UInt32] {
      #expect(!policy.permits(nobody, bit: 0) && policy.principal(nobody) == nil)
    }
  }

  @Test func hasRoomForAThousandModels() throws {
    let models = (0..<1000).map { AccessModel(name: "M\($0)", fullName: "database.M\($0)") }
    let text =
      "[[role]]\nname = \"vet\"\nallow = [\"M0: read\", \"M63: watch\", \"M64: read\", \"M999: delete\"]\n"
      + Self.token() + Self.token("b", hash: Self.other)
    let policy = try AccessPolicy(Array(text.utf8), path: "", models: models)
    let expected: Set = [
      AccessAction.read.bit(ofModel: 0), AccessAction.watch.bit(ofModel: 63),
      AccessAction.read.bit(ofModel: 64), AccessAction.delete.bit(ofModel: 999),
    ]
    for number in [3, 4] as [UInt32] {
      #expect(Set((0..<4000).filter { policy.permits(number, bit: $0) }) == expected)
    }
  }

  // MARK: - What is refused

  static let mistakes: [(String, String)] = [
    ("", "1:1: the file knows nobody"),
    ("# nobody\n" + role, "1:1: the file knows nobody"),
    (role + token(more: "color = 1\n"), "8:9: this is no value that is used here"),
    (
      role + token(more: "color = \"red\"\n"),
      "8:1: [[token]] has no key \"color\"; its keys are id,"
    ),
    (
      "[[role]]\nname = \"a\"\nallow = [\"Cat: read\"]\n" + token(roles: "\"a\""),
      "3:10: the schema has no model \"Cat\"; it has Dog, Tag"
    ),
    (
      "[[role]]\nname = \"a\"\nallow = [\"Dog: bark\"]\n" + token(roles: "\"a\""),
      "3:10: \"bark\" is no action; the actions are read, write, delete, watch"
    ),
    ("[[role]]\nname = \"a\"\nallow = [\"Dog: admin\"]\n", "3:10: \"admin\" is no action"),
    ("[[role]]\nname = \"a\"\nallow = [\"Dog: read, read\"]\n", "3:10: read is there twice"),
    ("[[role]]\nname = \"a\"\nallow = [\"Dog: read,\"]\n", "3:10: \"\" is no action"),
    ("[[role]]\nname = \"a\"\nallow = [\"Dog\"]\n", "3:10: \"Dog\" is no rule"),
    ("[[role]]\nname = \"a\"\nallow = [\": read\"]\n", "3:10: \": read\" is no rule"),
    ("[[role]]\nname = \"a\"\nallow = []\n", "3:9: allow is empty"),
    (
      "[[role]]\nname = \"a\"\nallow = [\n  \"Dog: read\",\n  \"admin\"]\n",
      "5:3: admin is alone"
    ),
    ("[[role]]\nname = \"a b\"\nallow = [\"admin\"]\n", "2:8: name takes 1 to 64 letters"),
    ("[[role]]\nallow = [\"admin\"]\n", "1:1: this [[role]] has no name"),
    ("[[role]]\nname = [\"a\"]\nallow = \"admin\"\n", "2:8: name takes text in quotes"),
    (role + role + token(), "5:8: there are two roles \"vet\""),
    (role + token(roles: "\"vet\", \"dean\""), "7:17: there is no role \"dean\""),
    (role + token(roles: ""), "7:9: roles is empty"),
    (role + token() + token(), "9:6: the id \"a\" is taken in line 5"),
    (role + token() + token("b"), "10:10: this hash is there already, in line 6"),
    (
      role + token(hash: "abc"),
      "6:10: sha256 takes the SHA-256 of the token in 64 hexadecimal digits, and this has 3"
    ),
    (role + token(hash: String(repeating: "g", count: 64)), "characters, not all of them digits"),
    (
      role + token(more: "expires = \"2027-01-01T00:00:00Z\"\n"),
      "8:11: expires takes a time without quotes"
    ),
    (role + token(more: "expires = 2027-01-01\n"), "8:11: this is no value that is used here"),
    (
      role + token(more: "expires = 2027-01-01T00:00:00\n"),
      "8:11: this is no value that is used here"
    ),
    (
      role + "[[certificate]]\nsan = \"billing\"\nroles = [\"vet\"]\n",
      "5:7: \"billing\" names no certificate"
    ),
    (
      role + "[[certificate]]\nsan = \"DNS:\"\nroles = [\"vet\"]\n",
      "5:7: \"DNS:\" names no certificate"
    ),
    (
      role
        + "[[certificate]]\nsan = \"DNS:A\"\nroles = [\"vet\"]\n[[certificate]]\nsan = \"DNS:a\"\nroles = [\"vet\"]\n",
      "8:7: this certificate is there already, in line 5"
    ),
    ("[[user]]\nid = \"a\"\n", "1:1: there are no tables \"user\""),
    // No TOML, or TOML that is not used.
    ("[role]\n", "1:1: tables have two brackets here"), ("[[role]\n", "1:7: a header ends with ]]"),
    ("[[role]] x\n", "1:10: nothing more was expected"),
    ("name = \"a\"\n", "1:1: \"name\" is before"),
    ("[[role]]\nname\n", "2:5: = was expected"),
    ("[[role]]\nname =\n", "2:7: a value was expected"),
    ("[[role]]\na.b = 1\n", "2:2: keys have no dots"),
    ("[[role]]\n= 1\n", "2:1: a key was expected"),
    ("[[role]]\nname = {}\n", "2:8: tables in braces"),
    ("[[role]]\nname = 5\n", "2:8: this is no value"),
    ("[[role]]\nname = \"a\n", "2:8: this text has no end"),
    ("[[role]]\nname = \"a", "2:8: this text has no end"),
    ("[[role]]\nname = \"\\", "2:9: this text has no end"),
    ("[[role]]\nname = \"\\q\"\n", "2:9: \\ and this letter"),
    ("[[role]]\nname = \"\\ud800\"\n", "2:9: this is no character"),
    ("[[role]]\nname = \"\\u12\"\n", "2:9: this is no character"),
    ("[[role]]\nname = \"\"\"a\"\"\"\n", "2:8: text of several lines"),
    ("[[role]]\nname = \"a\u{1}\"\n", "2:10: a control character"),
    ("# \u{7f}\n", "1:3: a control character"),
    ("[[role]]\nname = [[\"a\"]]\n", "2:9: text in quotes, or the ]"),
    ("[[role]]\nname = [\"a\" \"b\"]\n", "2:13: a comma, or the ]"),
    ("[[role]]\nname = [\"a\",\n", "3:1: text in quotes"),
    ("[[role]]\nname = \"a\"\nname = \"b\"\n", "3:1: \"name\" is there twice"),
    ("[[role]]\n# é\rname = \"a\"\n", "2:4: a carriage return"),
    ("[[role]]\nname = \"é\" ü", "2:12: nothing more"),
  ]

  @Test(arguments: mistakes)
  func saysWhereAMistakeIs(_ text: String, _ expected: String) {
    let error = Self.error(text)
    #expect(error.contains(expected), "\(error)")
    #expect(error.hasPrefix("access.toml:"))
  }

  @Test func findsAllMistakesAtOnce() {
    let text =
      "[[role]]\nname = \"a\"\nallow = [\"Cat: read\", \"Dog: bark\"]\n[[token]]\nid = \"x\"\n"
    let lines = Self.error(text).split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines.map { $0.prefix(17) }.prefix(2) == ["access.toml:3:10:", "access.toml:3:23:"])
    let many = (0..<50).map { "[[x\($0)]]\n" }.joined()
    #expect(Self.error(many).hasSuffix("and 30 more problems in access.toml"))
  }

  @Test func refusesWhatIsNoText() {
    let bytes = Array("[[role]]\n# é".utf8) + [0xFF]
    #expect(throws: AccessError.self) {
      try AccessPolicy(bytes, path: "a", models: Self.models)
    }
    let large = [UInt8](repeating: UInt8(ascii: "\n"), count: AccessPolicy.maximumFileBytes + 1)
    #expect(throws: AccessError.tooLarge(path: "a")) {
      try AccessPolicy(large, path: "a", models: Self.models)
    }
  }

  @Test func neverRepeatsASecret() {
    let token = AccessToken.make().text
    for text in [
      Self.role + Self.token(hash: token), Self.role + "# " + token, "[[\(token)]]", token,
      Self.role + Self.token(more: "\(token) = 1"), "[[role]]\nname = \"\(token)\"",
    ] {
      let error = Self.error(text)
      #expect(error.contains("here is a token itself"), "\(error)")
      #expect(!error.contains(token.dropFirst(6)))
    }
    let plain = "correct-horse-battery-staple"
    #expect(!Self.error(Self.role + Self.token(hash: plain)).contains(plain))
  }

  @Test func readsAFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("access.toml", Self.role + Self.token())
    #expect(try AccessPolicy.contents(of: path) == Array((Self.role + Self.token()).utf8))
    let missing = folder.path + "/none"
    #expect(throws: AccessError.missing(path: missing)) {
      try AccessPolicy.contents(of: missing)
    }
    let error = #expect(throws: AccessError.self) {
      try AccessPolicy.contents(of: folder.path)
    }
    #expect("\(error!)".contains("it is no file"))
  }
}
