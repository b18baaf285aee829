// SAFETY: By the precondition somebody else holds the object until `body` returns.
extension Unmanaged {
  /// Lends the object to `body` without retaining it.
  ///
  /// - Precondition: somebody else holds it until `body` returns.
  @inline(__always)
  func borrow<Result, Failure: Error>(
    _ body: (Instance) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outcome = unsafe _withUnsafeGuaranteedRef { instance -> Swift.Result<Result, Failure> in
      do throws(Failure) {
        return .success(try body(instance))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }
}
