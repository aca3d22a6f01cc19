// The face of exhibits/: the museum of real bugs, each a source edit of production code.

export { EXHIBITS, type Exhibit, exhibitByName } from './exhibits.ts';
