/** The library of property tests, with one seed for all: what passes here passes everywhere. Another seed looks for more. */
import fc from "fast-check-library";

fc.configureGlobal({ seed: 20_261_121 });

export default fc;
