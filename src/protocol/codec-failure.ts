/**
 * What a reader or a writer throws: words, and the path of the field they concern.
 *
 * It never leaves this folder: whoever knows what was being read turns it into a ShoalError. The path grows from the
 * inside out, one step in each struct and array that the failure passes.
 */

export class CodecFailure extends Error {
  path = ''

  /** Puts a step before the path: a field name, or an index in brackets. */
  prefix(step: string): this {
    this.path =
      this.path === '' || this.path.startsWith('[') ? step + this.path : `${step}.${this.path}`
    return this
  }
}
