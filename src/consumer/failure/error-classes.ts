/**
 * Which errors are meant: a class, a predicate, or a text that is the error's `code` or `name`. Pure.
 */

/** A constructor of errors, a function that says yes or no, or the error's `code` or `name`. */
export type ErrorClass =
  | (abstract new (...parameters: never[]) => Error)
  | ((error: unknown) => boolean)
  | string

/** True when one of them means the error; a predicate that throws means nothing. */
export function matchesAny(classes: readonly ErrorClass[], error: unknown): boolean {
  return classes.some((each) => matches(each, error))
}

export function isErrorClass(value: unknown): boolean {
  return typeof value === 'function' || (typeof value === 'string' && value !== '')
}

function matches(each: ErrorClass, error: unknown): boolean {
  if (typeof each === 'string') return hasWord(error, 'code', each) || hasWord(error, 'name', each)
  if (isConstructor(each)) return error instanceof each
  return each(error)
}

function isConstructor(
  value: Exclude<ErrorClass, string>,
): value is abstract new (...parameters: never[]) => Error {
  return value === Error || value.prototype instanceof Error
}

function hasWord(error: unknown, field: 'code' | 'name', word: string): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, field) === word
}
