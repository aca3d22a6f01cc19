// The face of loader/: production code with edits, and with what exploration needs to know written in.

export { applyEdits, type SourceEdit } from './edits.ts';
export { LoadError } from './loadError.ts';
export { loadVariant, SOURCES, type VariantOptions, versionOf } from './variant.ts';
