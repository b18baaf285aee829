import Subprocess

/// An authority and certificates of it, in a folder of their own, made by the `openssl` program.
package final class TLSTestFiles: Sendable {
  /// Names of what is there, each with a `.pem` and a `.key`.
  package enum Name: String, CaseIterable, Sendable {
    /// The authority.
    case authority
    /// Another one, which nobody trusts.
    case otherAuthority
    /// For servers: localhost and 127.0.0.1.
    case server
    case otherServer
    /// For localhost, of yesterday.
    case expiredServer
    /// For clients: DNS:Billing.Internal, URI:spiffe://test/billing and the common name billing.
    case client
    /// For clients, of ``otherAuthority``.
    case stranger
    /// For clients, of yesterday.
    case expiredClient
    /// ``authority`` with the same key, made anew.
    case renewedAuthority
    /// Is called like ``authority``, in other letters, with a key of its own.
    case namesake
    /// An authority that ``authority`` has signed.
    case middle
    /// For clients, of ``middle``.
    case distantClient
  }

  package struct Failure: Error { package let text: String }

  private let folder: Folder

  // A folder is confined to whoever removes it, at the end; the path is a constant.
  private final class Folder: @unchecked Sendable {
    let folder: TemporaryFolder
    let path: String

    init() throws {
      folder = try TemporaryFolder()
      path = folder.path
    }
  }

  package var path: String { folder.path }
  package func certificate(_ name: Name) -> String { "\(path)/\(name.rawValue).pem" }
  package func key(_ name: Name) -> String { "\(path)/\(name.rawValue).key" }

  /// The text of a file.
  package static func text(_ path: String) throws -> String {
    try TemporaryFolder.read(path)
  }

  package init() async throws {
    folder = try Folder()
    let result = try await Subprocess.run(
      .name("sh"), arguments: ["-c", Self.script, "sh", folder.path],
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard case .exited(0) = result.terminationStatus else {
      throw Failure(text: result.standardError)
    }
  }

  private static let script = """
    set -e
    cd "$1"
    request() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "/CN=$2" ; }
    root() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" \
        -days 3650 -subj "/CN=$2"; }
    sign() { printf 'subjectAltName=%s\\n' "$4" > names
      request "$1" "$2" | openssl x509 -req -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days "$5" \
        -extfile names -out "$1.pem"; }
    root authority 'Test authority'
    root otherAuthority 'Other authority'
    sign server localhost authority DNS:localhost,IP:127.0.0.1 3650
    sign otherServer localhost authority DNS:localhost,IP:127.0.0.1 3650
    sign expiredServer localhost authority DNS:localhost -1
    sign client billing authority DNS:Billing.Internal,URI:spiffe://test/billing,email:b@c.de 3650
    sign stranger billing otherAuthority DNS:billing.internal 3650
    sign expiredClient billing authority DNS:billing.internal -1
    openssl req -x509 -key authority.key -out renewedAuthority.pem -days 3000 -subj '/CN=Test authority'
    cp authority.key renewedAuthority.key
    root namesake 'TEST   Authority'
    request middle 'Middle authority' > middle.req
    printf 'basicConstraints=critical,CA:TRUE\\n' > names
    openssl x509 -req -in middle.req -CA authority.pem -CAkey authority.key -CAcreateserial -days 3650 \
        -extfile names -out middle.pem
    sign distantClient distant middle DNS:distant.internal 3650
    """
}
