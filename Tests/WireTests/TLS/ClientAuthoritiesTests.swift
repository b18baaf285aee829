import NIOSSL
import TestSupport
import Testing
import Wire

@Suite("Authorities of clients") struct ClientAuthoritiesTests {
  private typealias Name = TLSTestFiles.Name

  private struct Case: CustomTestStringConvertible {
    let client: TLSTestFiles.Name
    let before: [TLSTestFiles.Name]
    let after: [TLSTestFiles.Name]
    let isIn: Bool

    init(
      _ client: TLSTestFiles.Name, _ before: [TLSTestFiles.Name], _ after: [TLSTestFiles.Name],
      _ isIn: Bool
    ) {
      (self.client, self.before, self.after, self.isIn) = (client, before, after, isIn)
    }

    var testDescription: String { "\(client) \(before) \(after)" }
  }

  private static let cases: [Case] = [
    // What is added, put in another order or renewed with its key takes nothing away.
    Case(.client, [.authority], [.authority, .otherAuthority], true),
    Case(.client, [.authority, .otherAuthority], [.otherAuthority, .authority], true),
    Case(.client, [.authority], [.renewedAuthority], true),
    // Another one goes.
    Case(.client, [.authority, .otherAuthority], [.authority], true),
    Case(.client, [.authority, .otherAuthority], [.renewedAuthority], true),
    // Its own goes.
    Case(.client, [.authority], [.otherAuthority], false),
    Case(.client, [.authority, .otherAuthority], [.otherAuthority], false),
    // Which of two with one name has signed is not known.
    Case(.client, [.authority, .namesake], [.authority], false),
    Case(.client, [.authority, .namesake], [.namesake], false),
    Case(.client, [.authority], [.namesake], false),
    // An authority in between, that the server has.
    Case(.distantClient, [.middle, .authority], [.middle, .authority, .namesake], true),
    Case(.distantClient, [.middle, .authority, .otherAuthority], [.middle, .authority], true),
    Case(.distantClient, [.middle, .authority], [.middle], false),
    Case(.distantClient, [.middle, .authority], [.authority], false),
    // One that the client has shown: as long as nothing goes.
    Case(.distantClient, [.authority], [.authority, .otherAuthority], true),
    Case(.distantClient, [.authority, .otherAuthority], [.authority], false),
    // A certificate that is its own authority.
    Case(.otherAuthority, [.authority, .otherAuthority], [.otherAuthority], true),
    Case(.otherAuthority, [.authority, .otherAuthority], [.authority], false),
  ]

  @Test func vouchForWhomTheyHaveVouchedFor() async throws {
    let files = try await TLSTestFiles()
    func der(_ name: TLSTestFiles.Name) throws -> [UInt8] {
      try #require(try NIOSSLCertificate.fromPEMFile(files.certificate(name)).first).toDERBytes()
    }
    for each in Self.cases {
      let before = ClientAuthorities(try each.before.map(der))
      let after = ClientAuthorities(try each.after.map(der))
      #expect(
        after.vouch(for: try der(each.client), verifiedBy: before) == each.isIn,
        "\(each.testDescription)")
    }
  }

  /// What cannot be read may be anybody's.
  @Test func takeWhatTheyCannotReadForEverybodys() async throws {
    let files = try await TLSTestFiles()
    let (client, authority) = try (
      NIOSSLCertificate.fromPEMFile(files.certificate(.client))[0].toDERBytes(),
      NIOSSLCertificate.fromPEMFile(files.certificate(.authority))[0].toDERBytes()
    )
    let broken: [UInt8] = [0x30, 0x03, 0x30, 0x01, 0x00]
    let both = ClientAuthorities([authority, broken])
    #expect(!ClientAuthorities([authority]).vouch(for: client, verifiedBy: both))
    #expect(both.vouch(for: client, verifiedBy: ClientAuthorities([authority])))
    #expect(both.vouch(for: broken, verifiedBy: both))
    let one = ClientAuthorities([authority])
    #expect(!ClientAuthorities([]).vouch(for: broken, verifiedBy: one))
  }
}
