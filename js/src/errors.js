/** What a status of the kernel is called here. */
const CODES = [
  "none",
  "invalid-argument",
  "corrupt-stream",
  "unsupported-version",
  "inner-unavailable",
  "no-memory",
];

/** A stream that cannot be decoded; `code` says of which kind the trouble is. */
export class MedROIError extends Error {
  constructor(status, message, options) {
    super(message, options);
    this.name = "MedROIError";
    this.code = CODES[status] ?? "unknown";
  }
}

export const INVALID_ARGUMENT = 1;
export const CORRUPT_STREAM = 2;
export const INNER_UNAVAILABLE = 4;
export const NO_MEMORY = 5;
