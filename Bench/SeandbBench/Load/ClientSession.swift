package import Bytes

/// One connection's protocol, without a socket: calls go in and bytes come out, and the other way round.
///
/// Confined to its thread.
package protocol ClientSession: AnyObject {
  /// Slots whose calls have ended since this was emptied last; to be emptied by the owner.
  var finished: [Int] { get set }

  /// Begins the call whose request is in the slot.
  func submit(_ slot: Int) throws(LoadFailure)

  /// Takes what the server has sent.
  @safe
  func receive(_ bytes: UnsafeRawBufferPointer) throws(LoadFailure)

  /// Appends what is to be sent.
  func collectOutput(into output: inout ByteWriter) throws(LoadFailure)
}

/// Why a load came to its end early.
package struct LoadFailure: Error, CustomStringConvertible, Sendable {
  package let description: String

  package init(_ description: String) { self.description = description }
}
