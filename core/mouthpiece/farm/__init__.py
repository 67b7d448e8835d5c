"""Jobs for render farms, written for engines that exist: Open Job Description and Flamenco."""
