import Platform
import TestSupport
import Testing
import Wire

@Suite("Identity for TLS") struct TLSIdentityTests {
  private struct Place {
    let folder: TemporaryFolder
    let files: TLSTestFiles
    let paths: TLSFiles

    init() async throws {
      folder = try TemporaryFolder()
      files = try await TLSTestFiles()
      paths = TLSFiles(
        certificate: folder.path + "/a.pem", key: folder.path + "/a.key",
        clientAuthorities: folder.path + "/ca.pem")
      try put(.server, .server, .authority)
    }

    func put(
      _ certificate: TLSTestFiles.Name, _ key: TLSTestFiles.Name,
      _ authority: TLSTestFiles.Name = .authority
    ) throws {
      try folder.write("a.pem", TLSTestFiles.text(files.certificate(certificate)))
      try folder.write("a.key", TLSTestFiles.text(files.key(key)))
      try folder.write("ca.pem", TLSTestFiles.text(files.certificate(authority)))
    }
  }

  @Test func takesWhatIsNewAndFits() async throws {
    let place = try await Place()
    let identity = try TLSIdentity(place.paths)
    #expect(identity.reload() == .unchanged)
    try place.put(.otherServer, .otherServer)
    #expect(identity.reload() == .taken(identity.facts))
    #expect(identity.reload() == .unchanged)
    try place.put(.otherServer, .otherServer, .otherAuthority)
    #expect(identity.reload() == .taken(identity.facts))
  }

  /// The files change one after the other, and each may be half written when it is looked at.
  @Test func keepsTheOldOneWhileFilesDoNotFit() async throws {
    let place = try await Place()
    let identity = try TLSIdentity(place.paths)
    let facts = identity.facts
    try place.put(.otherServer, .server)
    #expect(
      identity.reload()
        == .refused(
          .keyDoesNotFit(key: place.paths.key, certificate: place.paths.certificate)))
    let whole = try TLSTestFiles.text(place.files.certificate(.otherServer))
    for count in [0, 1, 30, whole.count / 2, whole.count - 20] {
      try place.folder.write("a.pem", String(whole.prefix(count)))
      #expect(identity.reload() == .refused(.notPEM(.certificate, path: place.paths.certificate)))
      // A chain that is cut behind its first certificate.
      if count > 1 {
        try place.folder.write("a.pem", whole + whole.prefix(count))
        #expect(identity.reload() == .refused(.notPEM(.certificate, path: place.paths.certificate)))
      }
    }
    try place.put(.expiredServer, .expiredServer)
    guard case .refused(.expired) = identity.reload() else {
      Issue.record("an expired certificate was taken")
      return
    }
    try place.put(.otherServer, .otherServer)
    try place.folder.write("ca.pem", "nothing")
    #expect(
      identity.reload()
        == .refused(.notPEM(.clientAuthorities, path: place.folder.path + "/ca.pem")))
    #expect(identity.facts == facts)
    try place.put(.otherServer, .otherServer)
    #expect(identity.reload() == .taken(identity.facts))
  }

  @Test func waitsForAFileThatIsBeingWritten() async throws {
    let place = try await Place()
    let identity = try TLSIdentity(place.paths)
    try place.put(.otherServer, .otherServer)
    let text = try TLSTestFiles.text(place.files.certificate(.authority))
    let outcome = identity.reload(settle: { _ = try? place.folder.write("ca.pem", text + text) })
    #expect(outcome == .unsettled)
    #expect(identity.reload(settle: {}) == .taken(identity.facts))
  }

  @Test func saysWhatIsWrongAtTheStart() async throws {
    let place = try await Place()
    func error(_ files: TLSFiles) -> String? {
      do throws(TLSError) {
        _ = try TLSIdentity(files)
        return nil
      } catch {
        return "\(error)"
      }
    }
    var files = place.paths
    #expect(error(files) == nil)
    files.certificate = "/nowhere/a.pem"
    #expect(error(files)?.hasPrefix("--tls-cert /nowhere/a.pem: there is no such file.") == true)
    files.certificate = place.paths.key
    #expect(error(files)?.contains("is not a certificate") == true)
    files.certificate = place.folder.path
    #expect(error(files)?.contains("cannot be read: it is no file") == true)
    files = place.paths
    files.key = place.paths.certificate
    #expect(error(files)?.contains("is not a private key") == true)
    files.key = place.files.key(.otherServer)
    #expect(error(files)?.contains("is not the key of --tls-cert") == true)
    files.key = try place.folder.write(
      "locked.key",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    #expect(error(files)?.contains("has a passphrase") == true)
    // There is no other one at the start: a log says it.
    files = TLSFiles(
      certificate: place.files.certificate(.expiredServer), key: place.files.key(.expiredServer))
    #expect(error(files) == nil)
    #expect(try TLSIdentity(files).facts.daysLeft() < 0)
  }

  @Test func countsTheDaysThatAreLeft() async throws {
    let place = try await Place()
    let facts = try TLSIdentity(place.paths).facts
    #expect((3648...3650).contains(facts.daysLeft()))
    func end(_ seconds: Int64) -> Timestamp {
      Timestamp(seconds: facts.notAfter.seconds + seconds)
    }
    #expect(facts.daysLeft(now: end(0)) == 0)
    #expect(facts.daysLeft(now: end(-86_399)) == 0)
    #expect(facts.daysLeft(now: end(-86_400)) == 1)
    #expect(facts.daysLeft(now: end(1)) == -1)
  }
}
