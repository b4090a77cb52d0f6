/**
 * The newest migration that these functions need, so that the health report can tell whether it is applied. Neither the
 * one that installs the timers, which comes last whatever else is there, nor those of the example, which a project of its
 * own leaves out.
 */
export const NEWEST_MIGRATION = "20261120001460";
