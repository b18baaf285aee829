import Access
import Platform
import Testing

@Suite("Access policy") struct AccessPolicyTests {
  private static let models = [AccessModel(name: "Dog", fullName: "database.Dog")]
  private static let read = AccessAction.read.bit(ofModel: 0)

  private static func policy(
    _ tokens: [AccessToken], expires: Timestamp? = nil, previous: AccessPolicy? = nil
  ) throws -> AccessPolicy {
    let tables = tokens.enumerated().map {
      $0.element.table(id: "t\($0.offset)", roles: ["vet"], expires: expires)
    }
    let text = "[[role]]\nname = \"vet\"\nallow = [\"*: read\"]\n" + tables.joined(separator: "\n")
    return try AccessPolicy(Array(text.utf8), path: "", models: models, previous: previous)
  }

  private static func number(_ token: AccessToken, _ policy: AccessPolicy) -> UInt32 {
    Array(token.text.utf8).withUnsafeBytes { policy.number(ofToken: $0) }
  }

  @Test func makesTokensThatNobodyGuesses() {
    let tokens = (0..<100).map { _ in AccessToken.make().text }
    #expect(Set(tokens).count == 100)
    for token in tokens {
      #expect(token.hasPrefix("sdb_") && token.utf8.count == 47)
      #expect(
        token.utf8.allSatisfy {
          UnicodeScalar($0).properties.isAlphabetic || "0123456789-_".utf8.contains($0)
        })
    }
  }

  // FIPS 180-2, appendix B, and the empty text.
  @Test(arguments: [
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func hashesAsTheStandardSays(_ text: String, _ expected: String) {
    #expect(Array(text.utf8).withUnsafeBytes { TokenHash(of: $0).hexadecimal } == expected)
  }

  @Test func knowsTheTokensOfItsFileAlone() throws {
    let (known, stranger) = (AccessToken.make(), AccessToken.make())
    let policy = try Self.policy([known])
    #expect(policy.permits(Self.number(known, policy), bit: Self.read))
    #expect(!policy.permits(Self.number(known, policy), bit: AccessAction.write.bit(ofModel: 0)))
    #expect(Self.number(stranger, policy) == AccessPolicy.Nobody.unknown)
  }

  @Test func keepsNumbersWhenTheFileChanges() throws {
    let (first, second, third) = (AccessToken.make(), AccessToken.make(), AccessToken.make())
    let old = try Self.policy([first, second])
    let new = try Self.policy([third, second], previous: old)
    let newest = try Self.policy([first, second], previous: new)
    let numbers = [first, second, third].map { Self.number($0, new) }
    #expect(Set(numbers).count == 3)
    #expect(Self.number(first, old) == numbers[0] && Self.number(second, old) == numbers[1])
    func permitted(_ policy: AccessPolicy) -> [Bool] {
      numbers.map { policy.permits($0, bit: Self.read) }
    }
    #expect(permitted(old) == [true, true, false])
    #expect(permitted(new) == [false, true, true])
    #expect(permitted(newest) == [true, true, false])
    #expect(new.principal(numbers[0]) == nil)
  }

  @Test func endsTokensInTime() throws {
    let token = AccessToken.make()
    let now = Timestamp.coarse().seconds
    for (end, isValid) in [(now - 1, false), (now, false), (now + 3600, true)] {
      let policy = try Self.policy([token], expires: Timestamp(seconds: end))
      #expect(policy.permits(Self.number(token, policy), bit: Self.read) == isValid)
    }
  }
}
